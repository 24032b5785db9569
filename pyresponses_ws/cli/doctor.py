"""``pyresponses-ws doctor``: what is wrong between this machine and the server."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from typing import TYPE_CHECKING

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.server.command import ERROR_PREFIX, WRONG_USAGE

if TYPE_CHECKING:
    from pyresponses_ws.config import ClientConfig
    from pyresponses_ws.diagnosis import Diagnosis

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

#: Where the key comes from unless another variable is named. There is no option for the key itself:
#: every user of the machine could read it in the list of processes.
KEY_VARIABLE = "OPENAI_API_KEY"
#: Stands for the key that is not there; it is never sent.
NO_KEY = "none"

DESCRIPTION = """\
Open one WebSocket as a client would, watch it for two seconds, and say what is wrong and what to
do: DNS, TCP, proxy, TLS, the server's answer, a close right after it. Nothing is asked of a model.

Without a key it looks as far as the server lets it. OPENAI_BASE_URL, HTTPS_PROXY and their like
count as they do for a client.

Exit status: 0 when the WebSocket opened and stayed open, 1 when something is wrong, 2 for a wrong
option.
"""


def add_parser(commands: Commands) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "doctor",
        help="say what is wrong with the connection",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_options(parser)
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options: those of a client that matter for connecting."""
    add = parser.add_argument
    add("--base-url", metavar="URL", help="the server (default: OPENAI_BASE_URL, or OpenAI)")
    add(
        "--api-key-env",
        metavar="NAME",
        default=KEY_VARIABLE,
        help="the variable that holds the key (default: %(default)s)",
    )
    add("--proxy", metavar="URL", help="go through this proxy (default: HTTPS_PROXY and its like)")
    add("--ca-bundle", metavar="PATH", help="trust these certificate authorities, and no others")
    add("--client-cert", metavar="FILE", help="certificate of this client, or it and its key")
    add("--client-key", metavar="FILE", help="its key, where that has a file of its own")
    add("--timeout", metavar="SECONDS", type=float, default=10.0, help="for connecting (10)")
    add("--allow-insecure", action="store_true", help="let http:// go to other machines")
    add("--json", action="store_true", help="print what was found as JSON, and nothing else")


def run(args: argparse.Namespace) -> int:
    """Diagnose and print; return the exit status."""
    key = os.environ.get(args.api_key_env, "").strip()
    try:
        config = make_config(args, key or NO_KEY)
    except ConfigError as exc:
        print(f"{ERROR_PREFIX}{exc}", file=sys.stderr)
        return WRONG_USAGE
    if not key:
        note(f"{args.api_key_env} is not set: looking without a key")
    found = _diagnose(config, is_anonymous=not key)
    if args.json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        show(found)
    return 0 if found.ok else 1


def make_config(args: argparse.Namespace, key: str) -> ClientConfig:
    """Build the configuration of a client with these options. Raises ConfigError."""
    from pyresponses_ws._transport.network import make_ssl_context
    from pyresponses_ws.config import Timeouts, config_from_environment

    if args.client_key and not args.client_cert:
        raise ConfigError("--client-key belongs to a --client-cert, which is missing")
    cert = (args.client_cert, args.client_key) if args.client_key else args.client_cert
    if args.ca_bundle or cert:
        # Only to see now whether the files are what they should be.
        make_ssl_context(ca_bundle=args.ca_bundle, client_cert=cert)
    return config_from_environment(
        {
            "api_key": key,
            "base_url": args.base_url,
            "proxy": args.proxy,
            "ca_bundle": args.ca_bundle,
            "client_cert": cert,
            "timeouts": Timeouts(connect=args.timeout),
            "allow_insecure": args.allow_insecure,
        }
    )


def _diagnose(config: ClientConfig, *, is_anonymous: bool) -> Diagnosis:
    from pyresponses_ws._runtime.threads import Threads
    from pyresponses_ws.diagnosis import diagnose

    return diagnose(config, Threads(), is_anonymous=is_anonymous, on_step=note)


def note(step: str) -> None:
    """Tell of progress."""
    print(step, file=sys.stderr, flush=True)


def show(found: Diagnosis) -> None:
    """Print stages, verdict and advice: as a table where rich is installed, plainly elsewhere."""
    if importlib.util.find_spec("rich") is None:
        print(found)
        return
    from pyresponses_ws.cli.stages import print_stages

    print_stages(found)
