"""How an auditor checks a certificate's signature with openssl, sed and printf alone."""

from shredder.certify.envelope import PAYLOAD_TYPE


def openssl_recipe(
    certificate_name: str, key_name: str, evidence_name: str, *, is_ed25519: bool
) -> tuple[str, ...]:
    """Return lines for a POSIX shell, to be run in the folder of the three files.

    They leave statement.json, statement.sig and statement.pae behind (in a folder that may be
    written to). The last line prints the digest that the statement must name.

    Args:
        certificate_name: the envelope's file name.
        key_name: the public key's file name.
        evidence_name: the evidence's file name.
        is_ed25519: which of the two kinds of key signed.
    """
    key, evidence = _quote(key_name), _quote(evidence_name)
    if is_ed25519:
        check = f"openssl pkeyutl -verify -pubin -inkey {key} -rawin -sigfile statement.sig -in statement.pae"
    else:
        check = f"openssl dgst -sha256 -verify {key} -signature statement.sig statement.pae"
    return (
        _pull("payload", certificate_name, "statement.json"),
        _pull("sig", certificate_name, "statement.sig"),
        f"printf 'DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} %d ' $(wc -c < statement.json) > statement.pae",
        "cat statement.json >> statement.pae",
        check,
        f"openssl dgst -sha256 {evidence}",
    )


def _pull(key: str, certificate_name: str, output_name: str) -> str:
    expression = f's/.*"{key}":"([^"]*)".*/\\1/'
    return f"sed -E '{expression}' {_quote(certificate_name)} | openssl base64 -d -A > {output_name}"


def _quote(name: str) -> str:
    """Return a file name for the shell, never one that could steer shell or terminal."""
    if name.isprintable() and "'" not in name:
        return f"'./{name}'"
    return "'./(a name that cannot be shown)'"
