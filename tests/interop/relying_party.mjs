// A relying party on openid-client, the library that a portal in Node would take.
import * as client from 'openid-client'
import { privateKey, serve } from './tasks.mjs'

let config

async function authentication({ method, secret, key, alg }) {
  if (method === 'client_secret_basic') return client.ClientSecretBasic(secret)
  if (method === 'client_secret_post') return client.ClientSecretPost(secret)
  return client.PrivateKeyJwt(await privateKey(key, alg))
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

await serve(tasks)
