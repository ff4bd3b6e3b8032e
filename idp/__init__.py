"""Connect: the OpenID Connect identity provider. The floors of the house are described in docs/architecture.md."""
