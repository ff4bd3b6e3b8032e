// A relying party on openid-client. Each line on stdin is one task as JSON, each line on stdout its outcome:
// {"done": …}, or {"failed": …} with what openid-client says of an answer that it does not accept.
import { createInterface } from 'node:readline'
import * as client from 'openid-client'

const ALGORITHMS = {
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  EdDSA: { name: 'Ed25519' },
}

let config

async function authentication({ method, secret, key, alg }) {
  if (method === 'client_secret_basic') return client.ClientSecretBasic(secret)
  if (method === 'client_secret_post') return client.ClientSecretPost(secret)
  const { kid, alg: _alg, ...jwk } = key
  return client.PrivateKeyJwt({ key: await crypto.subtle.importKey('jwk', jwk, ALGORITHMS[alg], false, ['sign']), kid })
}

const tasks = {
  async discover({ issuer, client_id, id_token_signed_response_alg, auth }) {
    const isLocal = new URL(issuer).protocol === 'http:'
    config = await client.discovery(
      new URL(issuer), client_id, { id_token_signed_response_alg }, await authentication(auth),
      { execute: isLocal ? [client.allowInsecureRequests] : [] },
    )
    client.enableNonRepudiationChecks(config) // the signature of the ID token is verified too
    return config.serverMetadata()
  },

  async request(parameters) {
    const verifier = client.randomPKCECodeVerifier()
    const checks = { verifier, state: client.randomState(), nonce: client.randomNonce() }
    const url = client.buildAuthorizationUrl(config, {
      scope: 'openid', state: checks.state, nonce: checks.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...parameters,
    })
    return { url: url.href, ...checks }
  },

  async callback({ url, verifier, state, nonce, max_age }) {
    const tokens = await client.authorizationCodeGrant(config, new URL(url), {
      pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, maxAge: max_age, idTokenExpected: true,
    })
    return { ...tokens, claims: tokens.claims() }
  },

  userinfo: ({ access_token, sub }) => client.fetchUserInfo(config, access_token, sub),

  async refresh({ refresh_token, ...parameters }) {
    const tokens = await client.refreshTokenGrant(config, refresh_token, parameters)
    return { ...tokens, claims: tokens.claims() }
  },

  logout: (parameters) => ({ url: client.buildEndSessionUrl(config, parameters).href }),
}

function described(error) {
  const { code, message, status, error: oauth, error_description: description } = error
  const shown = error.cause?.headers ? undefined : error.cause // a whole response is no part of the story
  return { name: error.name, code, message, status, oauth, description, cause: shown?.code ?? shown?.message }
}

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
