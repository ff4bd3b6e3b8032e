"""Signing ring, envelopes and derived keys: code, never key material. Stands on nothing of the house."""

from keys.envelope import EnvelopeError as EnvelopeError
from keys.jws import InvalidToken as InvalidToken
from keys.master import MasterKeyError as MasterKeyError
from keys.vault import Vault as Vault
