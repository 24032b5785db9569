"""Where shells run: containers and the local machine, with their skills and networks."""

from __future__ import annotations

from typing import Literal

from pyresponses_ws.model import WireModel

__all__ = [
    "ContainerAuto",
    "ContainerNetworkPolicyAllowlist",
    "ContainerNetworkPolicyDisabled",
    "ContainerNetworkPolicyDomainSecret",
    "ContainerReference",
    "InlineSkill",
    "InlineSkillSource",
    "LocalEnvironment",
    "LocalSkill",
    "SkillReference",
]


class ContainerNetworkPolicyDisabled(WireModel):
    """No network."""

    type: Literal["disabled"] = "disabled"


class ContainerNetworkPolicyDomainSecret(WireModel):
    """A secret that is handed out for one domain only."""

    domain: str
    name: str
    value: str


class ContainerNetworkPolicyAllowlist(WireModel):
    """A network of named domains."""

    type: Literal["allowlist"] = "allowlist"
    allowed_domains: list[str]
    domain_secrets: list[ContainerNetworkPolicyDomainSecret] | None = None


class SkillReference(WireModel):
    """A skill that the server has stored."""

    type: Literal["skill_reference"] = "skill_reference"
    skill_id: str
    version: str | None = None


class InlineSkillSource(WireModel):
    """A zipped skill in base64."""

    type: Literal["base64"] = "base64"
    data: str
    media_type: Literal["application/zip"] = "application/zip"


class InlineSkill(WireModel):
    """A skill that comes with the request."""

    type: Literal["inline"] = "inline"
    description: str
    name: str
    source: InlineSkillSource


class LocalSkill(WireModel):
    """A skill in a folder of the local machine."""

    description: str
    name: str
    path: str


class ContainerAuto(WireModel):
    """A container that the server makes."""

    type: Literal["container_auto"] = "container_auto"
    file_ids: list[str] | None = None
    memory_limit: Literal["1g", "4g", "16g", "64g"] | None = None
    network_policy: ContainerNetworkPolicyDisabled | ContainerNetworkPolicyAllowlist | None = None
    skills: list[SkillReference | InlineSkill] | None = None


class ContainerReference(WireModel):
    """A container that exists."""

    type: Literal["container_reference"] = "container_reference"
    container_id: str


class LocalEnvironment(WireModel):
    """The client's machine."""

    type: Literal["local"] = "local"
    skills: list[LocalSkill] | None = None
