"""The manifests and the image: in step with the code, and whole after kustomize."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
import typing
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary import __version__
from canary.cli.doctor_rights import PACKAGED
from canary.cli.run import run
from canary.rollout.model import Timing
from canary.spec.annotations import canary_from_annotations, is_enabled
from canary.spec.plan import plan_from

ROOT = Path(__file__).resolve().parents[1]
MANIFESTS = ROOT / "manifests"
KUBECTL = shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on the PATH")

JSON = dict[str, Any]


def documents(*files: Path) -> list[JSON]:
    return [document for file in files for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def install_files(folder: str) -> list[Path]:
    return [file for file in sorted((MANIFESTS / folder).glob("*.yaml")) if file.name != "kustomization.yaml"]


def named(one: JSON) -> tuple[str, str, str]:
    return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


def controller() -> JSON:
    [deployment] = documents(MANIFESTS / "install" / "deployment.yaml")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    return dict(container)


def environment_of_run() -> set[str]:
    """The environment variables that say the same as a flag of `canary run`."""
    hints = typing.get_type_hints(run, include_extras=True)
    options = [each for hint in hints.values() for each in getattr(hint, "__metadata__", ())]
    return {str(option.envvar) for option in options if option.envvar}


def test_the_crd_that_is_installed_is_the_one_that_is_generated() -> None:
    copy, generated = MANIFESTS / "install" / "crd.yaml", MANIFESTS / "crd.yaml"
    told = "run `make crd`, or copy manifests/crd.yaml to manifests/install/crd.yaml"
    assert copy.read_text(encoding="utf-8") == generated.read_text(encoding="utf-8"), told


def test_the_deployment_says_only_what_the_controller_knows() -> None:
    container = controller()
    known = environment_of_run()
    assert container["args"] == ["run", "--leader-elect"]
    assert [entry["name"] for entry in container["env"] if entry["name"] not in known] == []
    assert "CANARY_NAMESPACE" in known  # of the variant for one namespace
    assert container["ports"] == [{"name": "http", "containerPort": 8080}]


def test_the_image_is_of_this_version_wherever_it_is_named() -> None:
    [kustomization] = documents(MANIFESTS / "install" / "kustomization.yaml")
    [image] = kustomization["images"]
    assert controller()["image"] == f"{image['name']}:{image['newTag']}"
    assert image["newTag"] == __version__


def test_the_controller_has_no_more_of_its_node_than_it_needs() -> None:
    [deployment] = documents(MANIFESTS / "install" / "deployment.yaml")
    pod = deployment["spec"]["template"]["spec"]
    security = controller()["securityContext"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert security == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "USER 65532:65532" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


EXAMPLES = {f"{file.parent.name}-{file.stem}": file for file in (MANIFESTS / "examples").glob("*/*.yaml")}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_annotations_of_each_example_are_valid(name: str) -> None:
    deployments = [one for one in documents(EXAMPLES[name]) if one["kind"] == "Deployment" and is_enabled(one)]
    canaries = [one for one in documents(EXAMPLES[name]) if one["kind"] == "Canary"]
    assert deployments or canaries
    for one in canaries:
        plan_from(one, timing=Timing(), default_mesh="")
    for one in deployments:
        one["metadata"] |= {"uid": "1"}
        wanted, faults = canary_from_annotations(one)
        assert (wanted is not None, [fault.text for fault in faults]) == (True, [])


KUSTOMIZATIONS = sorted(file.parent.name for file in MANIFESTS.glob("*/kustomization.yaml"))
APPLIED_BY_HAND = {"install-namespaced/kuma.yaml"}
"""It needs Kuma's own namespace."""


def kustomization(folder: str) -> JSON:
    [found] = documents(MANIFESTS / folder / "kustomization.yaml")
    return found


def parts_of(folder: str) -> list[Path]:
    """The files that a kustomization is made of, those of the folders that it names among them, in its order."""
    files: list[Path] = []
    for entry in kustomization(folder).get("resources", ()):
        path = (MANIFESTS / folder / entry).resolve()
        files += parts_of(path.name) if path.is_dir() else [path]
    return files


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_a_kustomization_names_each_file_beside_it_and_none_that_is_missing(folder: str) -> None:
    generated = [name for one in kustomization(folder).get("configMapGenerator", ()) for name in one["files"]]
    named = [*parts_of(folder), *(MANIFESTS / folder / name for name in generated)]
    here = {file.name for file in named if file.parent == MANIFESTS / folder}
    there = {file.name for file in (MANIFESTS / folder).iterdir() if f"{folder}/{file.name}" not in APPLIED_BY_HAND}
    assert here == there - {"kustomization.yaml"}
    assert [file for file in named if not file.is_file()] == []
    assert len({*named}) == len(named)


def test_the_installation_is_its_files_with_nothing_done_to_them() -> None:
    """Whoever has no kustomize may apply the files: beside them it says only which image they name anyway."""
    assert set(kustomization("install")) == {"apiVersion", "kind", "resources", "images"}
    assert sorted(parts_of("install")) == install_files("install")
    identities = [named(one) for one in documents(*parts_of("install"))]
    assert len({*identities}) == len(identities)
    [namespace] = [name for kind, _, name in identities if kind == "Namespace"]
    assert {where for kind, where, _ in identities} == {"", namespace}
    assert identities[0] == ("Namespace", "", namespace)


def test_what_the_variant_for_one_namespace_changes_is_there() -> None:
    whole = {named(one): one for one in documents(*parts_of("install-namespaced"))}
    patches = [yaml.safe_load(one["patch"]) for one in kustomization("install-namespaced")["patches"]]
    assert [named(one) for one in patches if named(one) not in whole] == []
    [changed] = [one for one in patches if one.get("$patch") != "delete"]
    [container] = changed["spec"]["template"]["spec"]["containers"]
    assert container["name"] == controller()["name"]
    assert {entry["name"] for entry in container["env"]} <= environment_of_run()


def kustomized(folder: str) -> list[JSON]:
    assert KUBECTL is not None
    done = subprocess.run([KUBECTL, "kustomize", str(MANIFESTS / folder)], check=True, capture_output=True, text=True)
    return list(yaml.safe_load_all(done.stdout))


@needs_kubectl
def test_kustomize_gives_what_the_files_say() -> None:
    wanted = {named(one): one for one in documents(*install_files("install"))}
    built = {named(one): one for one in kustomized("install")}
    assert built == wanted


def test_the_role_in_kumas_own_namespace_gives_what_is_needed_for_routes_and_no_more() -> None:
    role, binding = documents(MANIFESTS / "install-namespaced" / "kuma.yaml")
    rights = documents(MANIFESTS / "install" / "rights.yaml")
    [whole] = [one for one in rights if named(one) == ("ClusterRole", "", "canary-controller")]
    assert role["rules"] == [rule for rule in whole["rules"] if rule["apiGroups"] == ["kuma.io"]]
    assert (role["kind"], binding["roleRef"]["kind"]) == ("Role", "Role")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    [bound] = [one for one in rights if named(one) == ("ClusterRoleBinding", "", "canary-controller")]
    assert binding["subjects"] == bound["subjects"]
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "kuma-system"


@needs_kubectl
def test_the_variant_for_one_namespace_binds_the_same_rights_there_only() -> None:
    whole = {named(one): one for one in kustomized("install")}
    one = {named(each): each for each in kustomized("install-namespaced")}
    everywhere, here = ("ClusterRoleBinding", "", "canary-controller"), ("RoleBinding", "shop", "canary-controller")
    assert whole.keys() - one.keys() == {everywhere}
    assert one.keys() - whole.keys() == {here}
    assert {key: one[here][key] for key in ("roleRef", "subjects")} == {
        key: whole[everywhere][key] for key in ("roleRef", "subjects")
    }
    changed = [name for name in one.keys() & whole.keys() if one[name] != whole[name]]
    assert changed == [("Deployment", "canary-system", "canary-controller")]
    env = one[changed[0]]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert env == [{"name": "CANARY_NAMESPACE", "value": "shop"}, *controller()["env"]]


def test_the_image_installs_from_hashed_wheels_alone() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    fetching = re.findall(r"pip (?:wheel|install) ((?:--?[a-z-]+ )*)", dockerfile)
    assert [flags for flags in fetching if not {"--require-hashes", "--no-index"} & set(flags.split())] == []
    assert dockerfile.rstrip().endswith('ENTRYPOINT ["canary"]')


def test_the_image_is_built_with_every_file_that_the_package_takes_along() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    taken = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    copied = re.findall(r"^COPY (\S+) (\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.M)
    assert {(file, file) for file in taken} - set(copied) == set()
    assert {Path(there).name for there in taken.values()} == set(PACKAGED.values())
