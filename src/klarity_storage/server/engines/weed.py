"""The embedded engine's command line, environment and configuration files."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Final

from klarity_storage.server.engines.certificates import write_certificates
from klarity_storage.server.engines.keys import EngineKeys, write_private
from klarity_storage.server.engines.ports import HOST, Ports
from klarity_storage.server.engines.requests import CONFIGURATION

ROLE: Final = "klarity"
ROLE_ARN: Final = f"arn:aws:iam::000000000000:role/{ROLE}"
_SERVER_ARN: Final = f"arn:aws:iam::000000000000:user/{ROLE}"
"""Who the server's own keys are: the one identity of `_identities`."""

_GRPC_PARTS: Final = ("master", "volume", "filer", "s3", "admin", "worker", "client")


def arguments(
    weed: Path,
    folder: Path,
    ports: Ports,
    public_endpoint: str | None = None,
    *,
    requests: bool = False,
) -> list[str]:
    """The command, which holds no secret and names the data directory.

    Relative paths are below ``folder``, where it runs: a socket's path is limited to 108 bytes.
    """
    options: dict[str, str | int] = {
        "dir": str(folder / "data"),
        "ip": HOST,
        "ip.bind": HOST,
        "master.port": ports.master,
        "master.port.grpc": ports.master_grpc,
        "volume.port": ports.volume,
        "volume.port.grpc": ports.volume_grpc,
        "filer.port": ports.filer,
        "filer.port.grpc": ports.filer_grpc,
        "s3.port": ports.s3,
        "s3.port.grpc": ports.s3_grpc,
        "admin.port": ports.admin,
        "admin.port.grpc": ports.admin_grpc,
        # Always given: the engine keeps the options of its last start for those that are not.
        "s3.externalUrl": public_endpoint or "",
        "s3.config": "config/s3.json",
        "s3.iam.config": "config/iam.json",
        "s3.auditLogConfig": "config/requests.json" if requests else "",
        "filer.localSocket": "filer.sock",
        "s3.localSocket": "s3.sock",
        "s3.localFilerSocket": "filer.sock",
        # The master's HTTP port would delete whole collections for anybody who asks.
        "disableHttp": "true",
        "volume.preStopSeconds": 0,  # time for other machines to notice, of which there are none
        "s3.autoCreateBucket": "false",
        "s3.allowDeleteBucketNotEmpty": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "admin.ui": "false",
        "webdav": "false",
        "master.telemetry": "false",
    }
    return [
        str(weed),
        "-logtostderr=true",
        f"-config_dir={folder / 'config'}",
        "mini",
        *(f"-{name}={value}" for name, value in options.items()),
    ]


def grpc_sockets(ports: Ports) -> list[Path]:
    """The sockets that the engine makes in /tmp: no flag moves these.

    They are named by port, so two engines never share one, and only their owner can connect.
    """
    numbers = {
        "master": ports.master_grpc,
        "volume": ports.volume_grpc,
        "filer": ports.filer_grpc,
        "s3": ports.s3_grpc,
        "admin": ports.admin_grpc,
    }
    return [
        Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock")  # noqa: S108 - not our choice
        for part, port in numbers.items()
    ]


def remove_sockets(ports: Ports) -> None:
    """Remove what the engine leaves in /tmp."""
    for path in grpc_sockets(ports):
        with contextlib.suppress(OSError):  # not there, or somebody else's
            path.unlink()


def environment(folder: Path, keys: EngineKeys) -> dict[str, str]:
    """A whole environment: WEED_ and AWS_ variables of the machine would change the engine."""
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "WEED_JWT_SIGNING_KEY": keys.volume_write_key,
        "WEED_JWT_SIGNING_READ_KEY": keys.volume_read_key,
        "WEED_JWT_FILER_SIGNING_KEY": keys.filer_write_key,
        "WEED_JWT_FILER_SIGNING_READ_KEY": keys.filer_read_key,
    }


def write_configuration(folder: Path, keys: EngineKeys) -> None:
    """Write the engine's own files below ``folder/config``, each readable by its owner only."""
    config = folder / "config"
    config.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_certificates(config)
    write_private(config / "security.toml", _security(config).encode())
    write_private(config / "s3.json", json.dumps(_identities(keys)).encode())
    write_private(config / "iam.json", json.dumps(_iam(keys)).encode())
    write_private(config / "requests.json", json.dumps(CONFIGURATION).encode())


def _security(config: Path) -> str:
    """Mutual TLS on every gRPC port, with the one certificate of `write_certificates`."""
    quoted = {
        name: json.dumps(str(config / name)) for name in ("ca.crt", "engine.crt", "engine.key")
    }
    parts = [f"[grpc]\nca = {quoted['ca.crt']}\n"]
    parts += [
        f"[grpc.{part}]\ncert = {quoted['engine.crt']}\nkey = {quoted['engine.key']}\n"
        for part in _GRPC_PARTS
    ]
    return "\n".join(parts)


def _identities(keys: EngineKeys) -> dict[str, Any]:
    return {
        "identities": [
            {
                "name": ROLE,
                "credentials": [
                    {"accessKey": keys.access_key_id, "secretKey": keys.secret_access_key}
                ],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            }
        ]
    }


def _iam(keys: EngineKeys) -> dict[str, Any]:
    """STS with one role that may do all: what a session may do, its own policy says.

    The server alone takes the role. Whoever has temporary keys could else take it without a policy.
    """

    def allow(**what: str | dict[str, str]) -> dict[str, Any]:
        return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **what}]}

    return {
        "sts": {
            "issuer": "klarity-storage",
            "signingKey": keys.sts_signing_key,
            "tokenDuration": "1h",
            "maxSessionLength": "12h",
        },
        "roles": [
            {
                "roleName": ROLE,
                "roleArn": ROLE_ARN,
                "trustPolicy": allow(Principal={"AWS": _SERVER_ARN}, Action="sts:AssumeRole"),
                "attachedPolicies": ["everything"],
            }
        ],
        "policies": [{"name": "everything", "document": allow(Action="*", Resource="*")}],
    }
