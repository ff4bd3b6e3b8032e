// What drives a relying party: each line on stdin is one task as JSON, each line on stdout its outcome, {"done": …} or
// {"failed": …} with what the library says of an answer that it does not accept.
import { createInterface } from 'node:readline'

const ALGORITHMS = {
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  EdDSA: { name: 'Ed25519' },
}

export async function privateKey({ kid, alg: _alg, ...jwk }, alg) {
  return { key: await crypto.subtle.importKey('jwk', jwk, ALGORITHMS[alg], false, ['sign']), kid }
}

function described(error) {
  const { code, message, status, error: oauth, error_description: description } = error
  const shown = error.cause?.headers ? undefined : error.cause // a whole response is no part of the story
  return { name: error.name, code, message, status, oauth, description, cause: shown?.code ?? shown?.message }
}

export async function serve(tasks) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { task, ...given } = JSON.parse(line)
    let outcome
    try {
      outcome = { done: await tasks[task](given) }
    } catch (error) {
      outcome = { failed: described(error) }
    }
    process.stdout.write(`${JSON.stringify(outcome)}\n`)
  }
}
