// A client on oauth4webapi, which leaves every step to its caller: signed and pushed requests, DPoP with the server's
// nonce, signed answers, and each of the endpoints for clients.
import * as oauth from 'oauth4webapi'
import { privateKey, serve } from './tasks.mjs'

let as, client, key, clientAuth, bound, options

async function authentication({ method, secret, jwk, alg }) {
  if (method === 'client_secret_basic') return oauth.ClientSecretBasic(secret)
  if (method === 'client_secret_post') return oauth.ClientSecretPost(secret)
  key = await privateKey(jwk, alg)
  return oauth.PrivateKeyJwt(key)
}

// RFC 9449 §8: a server that wants a nonce of its own says so once, and the same request is made again.
async function again(attempt) {
  try {
    return await attempt()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return await attempt()
  }
}

async function verified(response) {
  await oauth.validateApplicationLevelSignature(as, response, options)
}

const tasks = {
  async discover({ issuer, metadata, auth, dpop }) {
    const documents = []
    for (const algorithm of ['oauth2', 'oidc']) {
      const url = new URL(issuer)
      documents.push(await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm })))
    }
    as = documents[1]
    client = metadata
    clientAuth = await authentication(auth)
    bound = dpop ? oauth.DPoP(client, await oauth.generateKeyPair(dpop)) : undefined
    options = { DPoP: bound }
    return documents
  },

  async push({ sign, ...parameters }) {
    const verifier = oauth.generateRandomCodeVerifier()
    const checks = { verifier, state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce() }
    let asked = new URLSearchParams({
      client_id: client.client_id, response_type: 'code', state: checks.state, nonce: checks.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...parameters,
    })
    if (sign) {
      const request = await oauth.issueRequestObject(as, client, asked, key)
      asked = new URLSearchParams({ client_id: client.client_id, request })
    }
    const pushed = await again(async () => {
      const answer = await oauth.pushedAuthorizationRequest(as, client, clientAuth, asked, options)
      return oauth.processPushedAuthorizationResponse(as, client, answer)
    })
    const url = new URL(as.authorization_endpoint)
    url.search = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri }).toString()
    return { url: url.href, expires_in: pushed.expires_in, ...checks }
  },

  async callback({ url, verifier, state, nonce, redirect_uri, is_signed }) {
    const judge = is_signed ? oauth.validateJwtAuthResponse : oauth.validateAuthResponse
    const given = await judge(as, client, new URL(url), state, options)
    return again(async () => {
      const answer = await oauth.authorizationCodeGrantRequest(as, client, clientAuth, given, redirect_uri, verifier, options)
      const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, {
        expectedNonce: nonce, requireIdToken: true,
      })
      await verified(answer)
      return { ...tokens, claims: oauth.getValidatedIdTokenClaims(tokens) }
    })
  },

  userinfo: ({ access_token, sub }) => again(async () => {
    const answer = await oauth.userInfoRequest(as, client, access_token, options)
    return oauth.processUserInfoResponse(as, client, sub, answer)
  }),

  refresh: ({ refresh_token }) => again(async () => {
    const answer = await oauth.refreshTokenGrantRequest(as, client, clientAuth, refresh_token, options)
    return oauth.processRefreshTokenResponse(as, client, answer)
  }),

  own_token: (parameters) => again(async () => {
    const answer = await oauth.clientCredentialsGrantRequest(as, client, clientAuth, parameters, options)
    return oauth.processClientCredentialsResponse(as, client, answer)
  }),

  async introspect({ token, is_signed }) {
    const asked = { ...options, requestJwtResponse: is_signed }
    const answer = await oauth.introspectionRequest(as, client, clientAuth, token, asked)
    const said = await oauth.processIntrospectionResponse(as, client, answer)
    if (is_signed) await verified(answer)
    return said
  },

  async revoke({ token }) {
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, clientAuth, token, options))
    return {}
  },

  // What a resource server does with a token in the form of RFC 9068, and with the proof beside it.
  async accept({ access_token, resource }) {
    const headers = new Headers({ authorization: `${bound ? 'DPoP' : 'Bearer'} ${access_token}` })
    if (bound) await bound.addProof(new URL(resource), headers, 'GET', access_token)
    return oauth.validateJwtAccessToken(as, new Request(resource, { headers }), resource, options)
  },

  async device({ scope }) {
    const answer = await oauth.deviceAuthorizationRequest(as, client, clientAuth, { scope }, options)
    return oauth.processDeviceAuthorizationResponse(as, client, answer)
  },

  poll: ({ device_code }) => again(async () => {
    const answer = await oauth.deviceCodeGrantRequest(as, client, clientAuth, device_code, options)
    const tokens = await oauth.processDeviceCodeResponse(as, client, answer)
    return { ...tokens, claims: oauth.getValidatedIdTokenClaims(tokens) }
  }),

  async register({ initial_access_token: initialAccessToken, ...described }) {
    const answer = await oauth.dynamicClientRegistrationRequest(as, described, { ...options, initialAccessToken })
    return oauth.processDynamicClientRegistrationResponse(answer)
  },
}

await serve(tasks)
