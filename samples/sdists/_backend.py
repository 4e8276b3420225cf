"""The build back-end (PEP 517) of the sample projects.

One file, packed into each sample sdist, so that building needs no download: not setuptools, not wheel.
It reads PKG-INFO for the metadata and build.json for what to do:

    {
      "packages":   ["folder", ...],          copied as they are
      "generate":   "make_it.py",             run first; defines generate(build_dir)
      "extensions": [{"name": "package._module", "sources": ["x.c"], "flags": ["-fopenmp"]}]
    }

It is not a back-end for general use: no editable installs, no configuration, POSIX compilers only.
Works on CPython 3.6 and later. The same sources and SOURCE_DATE_EPOCH give the same wheel.
"""

import base64
import email.parser
import hashlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import zipfile

EPOCH_1980 = 315532800  # the first instant that a zip archive can say


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    name = _dist_info()
    for path, data in _metadata_files(_plan()).items():
        target = os.path.join(metadata_directory, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(data)
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    plan = _plan()
    build_dir = tempfile.mkdtemp(prefix="build-")
    try:
        for package in plan.get("packages", []):
            print("copying", package)
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "*.c", "*.h")
            shutil.copytree(package, os.path.join(build_dir, package), ignore=ignored)
        if "generate" in plan:
            print("running", plan["generate"])
            runpy.run_path(plan["generate"])["generate"](build_dir)
        for extension in plan.get("extensions", []):
            _compile(extension, build_dir)
        filename = "{}-{}.whl".format(_stem(), _tag(plan))
        print("writing", filename)
        _write_wheel(os.path.join(wheel_directory, filename), _files_below(build_dir), _metadata_files(plan))
    finally:
        shutil.rmtree(build_dir)
    return filename


def build_sdist(sdist_directory, config_settings=None):
    metadata = _metadata()
    stem = "{}-{}".format(_normal_name(), metadata["Version"])
    with tarfile.open(os.path.join(sdist_directory, stem + ".tar.gz"), "w:gz") as archive:
        for path in sorted(_files_below(".")):
            archive.add(path, arcname="{}/{}".format(stem, path))
    return stem + ".tar.gz"


def _plan():
    with open("build.json", encoding="utf-8") as file:
        return json.load(file)


def _metadata():
    with open("PKG-INFO", encoding="utf-8") as file:
        return email.parser.Parser().parse(file, headersonly=True)


def _normal_name():
    return re.sub(r"[-_.]+", "_", _metadata()["Name"]).lower()


def _stem():
    return "{}-{}".format(_normal_name(), _metadata()["Version"])


def _dist_info():
    return _stem() + ".dist-info"


def _metadata_files(plan):
    """METADATA (the sdist's PKG-INFO as it is) and WHEEL, by their path in the wheel."""
    with open("PKG-INFO", "rb") as file:
        metadata = file.read()
    wheel = "Wheel-Version: 1.0\nGenerator: wheelwright-samples (1.0)\nRoot-Is-Purelib: {}\nTag: {}\n".format(
        "false" if plan.get("extensions") else "true", _tag(plan)
    )
    return {
        _dist_info() + "/METADATA": metadata,
        _dist_info() + "/WHEEL": wheel.encode("ascii"),
    }


def _tag(plan):
    """`py3-none-any`, or with an extension what this interpreter calls itself: `cp311-cp311-linux_x86_64`."""
    if not plan.get("extensions"):
        return "py3-none-any"
    version = "{}{}".format(*sys.version_info[:2])
    soabi = sysconfig.get_config_var("SOABI").split("-")
    if soabi[0] == "cpython":
        interpreter, abi = "cp" + version, "cp" + soabi[1]
    else:
        interpreter, abi = sys.implementation.name[:2] + version, "_".join(soabi[:2])
    platform = re.sub("[-.]", "_", sysconfig.get_platform())
    if sys.maxsize <= 2**32:  # a 32-bit interpreter on a 64-bit kernel, as on many small boards
        platform = platform.replace("linux_x86_64", "linux_i686").replace("linux_aarch64", "linux_armv7l")
    return "{}-{}-{}".format(interpreter, abi, platform)


def _compile(extension, build_dir):
    module = extension["name"].replace(".", "/") + sysconfig.get_config_var("EXT_SUFFIX")
    output = os.path.join(build_dir, module)
    os.makedirs(os.path.dirname(output), exist_ok=True)
    paths = sysconfig.get_paths()
    includes = sorted({paths["include"], paths["platinclude"]})
    command = [os.environ.get("CC", "cc"), "-O2", "-g0", "-fPIC", "-shared", "-Wall"]
    if sys.platform == "darwin":
        command += ["-undefined", "dynamic_lookup"]
    command += ["-I" + path for path in includes]
    command += extension["sources"] + ["-o", output] + extension.get("flags", [])
    print("compiling:", " ".join(command))
    sys.stdout.flush()
    try:
        status = subprocess.call(command)
    except OSError as error:
        raise SystemExit("{}: {}".format(command[0], error))
    if status != 0:
        raise SystemExit("{} ended with exit code {}".format(command[0], status))


def _files_below(folder):
    """All files, as `path in the wheel: (contents, mode)`."""
    files = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                executable = name.endswith((".so", ".sh"))
                inside = os.path.relpath(path, folder).replace(os.sep, "/")
                files[inside] = (file.read(), 0o755 if executable else 0o644)
    return files


def _write_wheel(path, files, metadata_files):
    """The files, then .dist-info, RECORD last (PEP 427); written under another name and renamed."""
    instant = max(EPOCH_1980, int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    date_time = time.gmtime(instant)[:6]
    record = []
    with zipfile.ZipFile(path + ".part", "w", zipfile.ZIP_DEFLATED) as archive:

        def add(inside, data, mode=0o644):
            entry = zipfile.ZipInfo(inside, date_time)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, data)

        for inside in sorted(files):
            data, mode = files[inside]
            add(inside, data, mode)
            record.append(_record_row(inside, data))
        for inside, data in metadata_files.items():
            add(inside, data)
            record.append(_record_row(inside, data))
        record.append(_dist_info() + "/RECORD,,\n")
        add(_dist_info() + "/RECORD", "".join(record).encode("utf-8"))
    os.replace(path + ".part", path)


def _record_row(inside, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode("ascii")
    return "{},sha256={},{}\n".format(inside, digest, len(data))
