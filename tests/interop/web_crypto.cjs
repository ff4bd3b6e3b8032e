// Node 18, Debian 12's own, keeps Web Crypto in a module; openid-client looks for it where browsers have it.
const { webcrypto } = require('node:crypto')

globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey
