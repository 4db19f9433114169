"""Signatures and ciphers of the platforms. Pure: bytes and strings in and out; compares in constant time.

Sources: WeCom 90968 (WXBizMsgCrypt), DingTalk callback crypto, Feishu event encryption, Slack request signing,
Standard Webhooks 1.0.0.
"""

import base64
import binascii
import hashlib
import hmac
import os
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from adapters.base import MalformedError, UnverifiedError

RANDOM = 16
LENGTH = 4
WIDE_BLOCK = 32
"""WeCom and DingTalk pad to 32 bytes, although the cipher's block is 16."""
NARROW_BLOCK = 16


def same(one: str, other: str) -> bool:
    """Compare two texts without telling by time how much of them agrees."""
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _bytes(text: str) -> bytes:
    """Headers may hold what is no UTF-8; it must compare as different, not fail."""
    return text.encode("utf-8", "backslashreplace")


def sha1_of_sorted(*parts: str) -> str:
    """WeCom's and DingTalk's callback signature: SHA-1 over the sorted parts joined, in hex."""
    return hashlib.sha1(_bytes("".join(sorted(parts)))).hexdigest()  # noqa: S324  the platforms' choice


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """The HMAC that most platforms sign with."""
    return hmac.new(key, message, hashlib.sha256).digest()


def b64(data: bytes) -> str:
    """Standard base64 with padding, one line."""
    return base64.b64encode(data).decode()


def unb64(text: str) -> bytes:
    """Decode base64 strictly. Raises MalformedError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError("not base64") from None


def wide_key(encoding_aes_key: str) -> bytes:
    """The 32-byte key of a 43-character EncodingAESKey. Raises ValueError."""
    key = base64.b64decode(encoding_aes_key + "=")
    if len(key) != WIDE_BLOCK:
        raise ValueError("an EncodingAESKey has 43 characters")
    return key


def wide_decrypt(key: bytes, ciphertext: str, owner: str) -> bytes:
    """Open a WeCom or DingTalk callback: random16, length, message, owner. Raises MalformedError, UnverifiedError."""
    block = _unpadded(_aes_cbc_decrypt(key, key[:NARROW_BLOCK], unb64(ciphertext)), WIDE_BLOCK)
    if len(block) < RANDOM + LENGTH:
        raise MalformedError("the encrypted block is too short")
    (length,) = struct.unpack(">I", block[RANDOM : RANDOM + LENGTH])
    start = RANDOM + LENGTH
    if length > len(block) - start:
        raise MalformedError("the encrypted block names a length it has not")
    if not hmac.compare_digest(block[start + length :], owner.encode()):
        raise UnverifiedError("encrypted for another receiver")
    return block[start : start + length]


def wide_encrypt(key: bytes, message: bytes, owner: str, random: bytes | None = None) -> str:
    """Close a WeCom or DingTalk reply. `random` is given only by tests with published vectors."""
    plain = (random or os.urandom(RANDOM)) + struct.pack(">I", len(message)) + message + owner.encode()
    return b64(_aes_cbc_encrypt(key, key[:NARROW_BLOCK], _padded(plain, WIDE_BLOCK)))


def feishu_decrypt(encrypt_key: str, ciphertext: str) -> bytes:
    """Open a Feishu event: key SHA-256 of the Encrypt Key, IV the first 16 bytes. Raises MalformedError."""
    raw = unb64(ciphertext)
    key = hashlib.sha256(encrypt_key.encode()).digest()
    return _unpadded(_aes_cbc_decrypt(key, raw[:NARROW_BLOCK], raw[NARROW_BLOCK:]), NARROW_BLOCK)


def feishu_encrypt(encrypt_key: str, message: bytes, iv: bytes | None = None) -> str:
    """Close an event as Feishu does, for the far end in tests."""
    start = iv or os.urandom(NARROW_BLOCK)
    key = hashlib.sha256(encrypt_key.encode()).digest()
    return b64(start + _aes_cbc_encrypt(key, start, _padded(message, NARROW_BLOCK)))


def ed25519_sign(seed: bytes, message: bytes) -> bytes:
    """A Standard Webhooks v1a signature. `seed` is the private key's 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a v1a signature holds."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _aes_cbc_decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    if not data or len(data) % NARROW_BLOCK or len(iv) != NARROW_BLOCK:
        raise MalformedError("not whole cipher blocks")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def _aes_cbc_encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def _padded(data: bytes, block: int) -> bytes:
    missing = block - len(data) % block
    return data + bytes([missing]) * missing


def _unpadded(data: bytes, block: int) -> bytes:
    missing = data[-1]
    if not 0 < missing <= block or data[-missing:] != bytes([missing]) * missing:
        raise MalformedError("wrong padding")
    return data[:-missing]
