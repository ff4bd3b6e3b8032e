// A peer of bench/portal_calls.py: oidc-provider with Redis as its store, one process, two portals, the same work as ours.
// `node oidc_provider.mjs PORT SIDE_PORT REDIS_PORT`; the side door makes codes, tokens and sessions without a browser.
import { createHash, createHmac, generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { Redis } from "ioredis";
import { Provider } from "oidc-provider";

const [port, sidePort, redisPort, rsaBits] = process.argv.slice(2);
const PORTALS = { cpx: "ES256", fon: "RS256" }; // each with its algorithm of ID tokens
const SCOPE = "openid profile email offline_access", COOKIE_KEY = "a key of the bench";
const VERIFIER = "v".repeat(43);
const LONG_S = 3600;
const redis = new Redis({ host: "127.0.0.1", port: Number(redisPort), keyPrefix: "oidc:" });

const BY_GRANT = new Set(["AccessToken", "AuthorizationCode", "RefreshToken", "DeviceCode"]);
const CONSUMABLE = new Set(["AuthorizationCode", "RefreshToken", "DeviceCode"]);

// The shape of the library's own example for Redis: hashes where something is consumed, strings elsewhere.
class Store {
  constructor(name) { this.name = name; }
  key(id) { return `${this.name}:${id}`; }
  async upsert(id, payload, expiresIn) {
    const key = this.key(id), many = redis.multi(), text = JSON.stringify(payload);
    if (CONSUMABLE.has(this.name)) many.hset(key, { payload: text }); else many.set(key, text);
    if (expiresIn) many.expire(key, expiresIn);
    if (BY_GRANT.has(this.name) && payload.grantId) {
      many.rpush(`grant:${payload.grantId}`, key);
      if (expiresIn) many.expire(`grant:${payload.grantId}`, expiresIn);
    }
    if (payload.uid) many.set(`uid:${payload.uid}`, id, "EX", expiresIn || LONG_S);
    await many.exec();
  }
  async find(id) {
    if (!CONSUMABLE.has(this.name)) {
      const text = await redis.get(this.key(id));
      return text ? JSON.parse(text) : undefined;
    }
    const { payload, ...rest } = await redis.hgetall(this.key(id));
    return payload ? { ...rest, ...JSON.parse(payload) } : undefined;
  }
  async findByUid(uid) { return this.find(await redis.get(`uid:${uid}`)); }
  async consume(id) { await redis.hset(this.key(id), "consumed", Math.floor(Date.now() / 1000)); }
  async destroy(id) { await redis.del(this.key(id)); }
  async revokeByGrantId(grantId) {
    const keys = await redis.lrange(`grant:${grantId}`, 0, -1);
    if (keys.length) await redis.del(...keys);
    await redis.del(`grant:${grantId}`);
  }
}

function callback(id) { return `https://${id}.example.ch/callback`; }

function key(alg) {
  const { privateKey } = alg === "ES256"
    ? generateKeyPairSync("ec", { namedCurve: "P-256" })
    : generateKeyPairSync("rsa", { modulusLength: Number(rsaBits) });
  return { ...privateKey.export({ format: "jwk" }), alg, use: "sig" };
}

const provider = new Provider(`http://localhost:${port}`, {
  adapter: Store,
  jwks: { keys: [key("RS256"), key("ES256")] },
  clients: Object.entries(PORTALS).map(([id, alg]) => ({
    client_id: id, client_secret: "portal-secret-of-the-tests", redirect_uris: [callback(id)],
    grant_types: ["authorization_code", "refresh_token", "client_credentials"], response_types: ["code"],
    id_token_signed_response_alg: alg, scope: SCOPE,
  })),
  cookies: { keys: [COOKIE_KEY] },
  claims: { openid: ["sub"], profile: ["name", "given_name", "family_name", "birthdate", "locale"], email: ["email", "email_verified"] },
  features: {
    devInteractions: { enabled: false }, introspection: { enabled: true }, clientCredentials: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: () => true,
  ttl: { AuthorizationCode: LONG_S, AccessToken: LONG_S, RefreshToken: LONG_S, Grant: LONG_S, Session: LONG_S },
  async findAccount(_ctx, sub) {
    return {
      accountId: sub,
      async claims() {
        return {
          sub, name: "Hélène Müller", given_name: "Hélène", family_name: "Müller", birthdate: "1958-03-27", locale: "fr",
          email: "helene@example.ch", email_verified: true,
        };
      },
    };
  },
});

const challenge = createHash("sha256").update(VERIFIER).digest("base64url");

async function grant(clientId) {
  const made = new provider.Grant({ accountId: "helene", clientId });
  made.addOIDCScope(SCOPE);
  return made.save();
}

const MAKE = {
  async code(id) {
    const client = await provider.Client.find(id);
    return new provider.AuthorizationCode({
      accountId: "helene", client, grantId: await grant(id), gty: "authorization_code", redirectUri: callback(id),
      scope: SCOPE, codeChallenge: challenge, codeChallengeMethod: "S256", authTime: Math.floor(Date.now() / 1000), nonce: "n",
    }).save();
  },
  async refresh(id) {
    const client = await provider.Client.find(id), now = Math.floor(Date.now() / 1000);
    return new provider.RefreshToken({
      accountId: "helene", client, grantId: await grant(id), gty: "authorization_code", scope: SCOPE, authTime: now, nonce: "n",
      iiat: now, rotations: 0,
    }).save();
  },
  async access(id) {
    const client = await provider.Client.find(id);
    return new provider.AccessToken({
      accountId: "helene", client, grantId: await grant(id), gty: "authorization_code", scope: SCOPE,
    }).save();
  },
  // The cookies of a browser that is signed in and has agreed to what this portal asks for.
  async session(id) {
    const session = new provider.Session();
    session.loginAccount({ accountId: "helene" });
    session.ensureClientContainer(id);
    session.grantIdFor(id, await grant(id));
    const cookie = `_session=${await session.save(LONG_S)}`;
    return `${cookie};_session.sig=${createHmac("sha1", COOKIE_KEY).update(cookie).digest("base64url")}`;
  },
};

// GET /code/cpx/1000 → a thousand codes, one a line.
createServer(async (request, response) => {
  const [, kind, id, count] = request.url.split("/"), made = [];
  while (made.length < Number(count)) {
    made.push(...await Promise.all(Array.from({ length: Math.min(200, count - made.length) }, () => MAKE[kind](id))));
  }
  response.end(made.join("\n"));
}).listen(Number(sidePort), "127.0.0.1");

provider.listen(Number(port), "127.0.0.1");
