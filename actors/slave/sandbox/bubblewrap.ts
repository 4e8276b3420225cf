/**
 * The command line of bubblewrap (bwrap(1)) around a build: namespaces of its own, the system read-only, and
 * the build's folders as the only places to write to. Called by the cell of a build. It starts nothing.
 *
 * Whatever a build writes lies on the disk, below its own folder: /tmp and /dev/shm too, and there is no
 * tmpfs that it may write to, since that would be memory that belongs to no process.
 */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { isWithin, systemPaths, type Visible } from "./visible-paths.ts";

/** Of the build's folder; the other folders in it are the slave's own. */
const writableFolders = ["home", "tmp", "out", "cwd", "shm"];
const readableFolders = ["source", "scratch"];

/** Where the way to the index stands inside. */
export const PROXY_SOCKET_INSIDE = "/run/index.sock";

/** The same for all builds of a slave. */
export interface BubblewrapMeans {
  readonly program: string;
  /** bubblewrap 0.8 and later: a build makes no user namespaces, where it could mount a tmpfs. */
  readonly canDisableUserNamespaces: boolean;
  /** Files and folders of the slave, hidden where they lie within something visible. */
  readonly secret: readonly string[];
}

export interface Walls extends BubblewrapMeans {
  /** The build's folder. */
  readonly folder: string;
  /** Beyond the system's own. */
  readonly visible: readonly Visible[];
  /** Whether the machine's network is the build's. */
  readonly sharesNetwork: boolean;
  /** The socket of the way to the index, where there is one. */
  readonly proxySocket: string | undefined;
}

/** @param cwd within the build's folder; the command follows the returned words */
export function bubblewrapArguments(walls: Walls, cwd: string): [string, ...string[]] {
  const { folder, proxySocket, sharesNetwork } = walls;
  const covers = hiddenPaths(walls);
  return [
    walls.program,
    ...[
      "--unshare-user",
      "--unshare-pid",
      "--unshare-ipc",
      "--unshare-uts",
      "--unshare-cgroup-try",
    ],
    ...(sharesNetwork ? [] : ["--unshare-net"]),
    ...(walls.canDisableUserNamespaces ? ["--disable-userns"] : []),
    ...["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "build"],
    ...systemPaths().flatMap(show),
    ...["--proc", "/proc", "--dev", "/dev"],
    ...["--bind", join(folder, "tmp"), "/tmp", "--symlink", "/tmp", "/var/tmp"],
    ...["--bind", join(folder, "shm"), "/dev/shm"],
    // Where a machine's resolver writes what /etc/resolv.conf is a link to.
    ...(sharesNetwork ? ["--ro-bind-try", "/run/systemd/resolve", "/run/systemd/resolve"] : []),
    // After /tmp: an interpreter may lie there.
    ...walls.visible.flatMap(show),
    ...covers.flatMap(({ path, isFolder }) =>
      isFolder ? ["--tmpfs", path] : ["--ro-bind", "/dev/null", path],
    ),
    ...readableFolders.flatMap((name) => bind("--ro-bind", join(folder, name))),
    ...writableFolders.flatMap((name) => bind("--bind", join(folder, name))),
    ...(proxySocket === undefined ? [] : ["--bind", proxySocket, PROXY_SOCKET_INSIDE]),
    ...covers.flatMap(({ path, isFolder }) => (isFolder ? ["--remount-ro", path] : [])),
    ...["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", cwd, "--"],
  ];
}

const show = ({ path, target }: Visible): string[] =>
  target === undefined ? bind("--ro-bind", path) : ["--symlink", target, path];

const bind = (how: string, path: string): string[] => [how, path, path];

/** What is the slave's own within what is shown: a folder is covered by an empty one, a file by nothing. */
function hiddenPaths({ secret, visible }: Walls): { path: string; isFolder: boolean }[] {
  const shown = [...systemPaths(), ...visible].filter(({ target }) => target === undefined);
  return secret.flatMap((path) => {
    const isShown = shown.some((each) => isWithin(path, each.path));
    const stat = isShown ? lstatSync(path, { throwIfNoEntry: false }) : undefined;
    return stat === undefined ? [] : [{ path, isFolder: stat.isDirectory() }];
  });
}
