/**
 * The Python program that an interpreter is asked to run about itself. It prints one JSON object on its
 * last line. Called by interpreter.ts only.
 *
 * It is written in the Python that 2.7 and every 3.x can parse, so that an interpreter that is too old
 * can still say so, and it keeps to pip's own copy of `packaging` where there is one: the tags must be
 * those that pip will accept when it installs.
 */
export const probeSource = `
import json, platform, sys, sysconfig

def full_version():
    info = sys.version_info
    text = "%d.%d.%d" % (info[0], info[1], info[2])
    if info[3] != "final":
        text += {"alpha": "a", "beta": "b", "candidate": "rc"}.get(info[3], "rc") + str(info[4])
    return text

def vendored():
    from pip._vendor.packaging import tags
    return ["%s-%s-%s" % (t.interpreter, t.abi, t.platform) for t in tags.sys_tags()]

def compatibility():
    from pip._internal.utils import compatibility_tags
    return [str(t) for t in compatibility_tags.get_supported()]

def pep425():
    from pip._internal import pep425tags
    return ["-".join(t) if isinstance(t, tuple) else str(t) for t in pep425tags.get_supported()]

def standalone():
    from packaging import tags
    return ["%s-%s-%s" % (t.interpreter, t.abi, t.platform) for t in tags.sys_tags()]

def tags():
    for source in (vendored, compatibility, pep425, standalone):
        try:
            found = source()
        except Exception:
            continue
        if found:
            return found
    return []

def headers():
    import os
    return os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h"))

answer = {
    "executable": sys.executable,
    "prefixes": [sys.prefix, sys.exec_prefix, getattr(sys, "base_prefix", sys.prefix), getattr(sys, "base_exec_prefix", sys.exec_prefix)],
    "implementation": platform.python_implementation(),
    "major": sys.version_info[0],
    "minor": sys.version_info[1],
    "fullVersion": full_version(),
    "platform": sysconfig.get_platform().replace("-", "_").replace(".", "_").lower(),
    "pipVersion": None,
    "pipProblem": "",
    "tags": [],
    "hasHeaders": False,
}
try:
    import pip
    answer["pipVersion"] = pip.__version__
except Exception as error:
    answer["pipProblem"] = "%s: %s" % (type(error).__name__, error)
if answer["pipVersion"] is not None and sys.version_info >= (3, 6):
    answer["tags"] = tags()
try:
    answer["hasHeaders"] = headers()
except Exception:
    pass
sys.stdout.write("\\n" + json.dumps(answer) + "\\n")
`;
