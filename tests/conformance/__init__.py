"""The modules of the OpenID Foundation's certification plans, restated over real HTTPS.

The client trusts nothing but the wire: it reads discovery, keys, redirects and answers as any portal would.
"""
