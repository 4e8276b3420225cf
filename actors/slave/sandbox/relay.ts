/**
 * The Python program that stands between bubblewrap and a build's command with `network = index`: the
 * sandbox has a loopback of its own and nothing behind it, so this listens there and passes each connection
 * on to the socket of the index proxy. Run by the interpreter that builds, since that is what a sandbox
 * surely has; used by the cell of a build.
 *
 * It becomes the command. What relays is a grandchild, so that a build that waits for its children meets
 * none that it does not know. It ends with the sandbox.
 */

/** A port of the sandbox's own loopback: nobody else is there. */
export const RELAY_PORT = 3128;

/** Arguments: path of the socket, port, command. In the Python that 3.6 and later understand. */
export const relaySource = `
import os, socket, sys, threading, time

path, port, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", port))
listener.listen(64)
child = os.fork()
if child != 0:
    listener.close()
    os.waitpid(child, 0)
    os.execvp(command[0], command)
if os.fork() != 0:
    os._exit(0)
os.setsid()
null = os.open(os.devnull, os.O_RDWR)
for number in (0, 1, 2):
    os.dup2(null, number)

def copy(source, sink):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for each in (source, sink):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

def relay(inside):
    outside = socket.socket(socket.AF_UNIX)
    try:
        outside.connect(path)
        back = threading.Thread(target=copy, args=(outside, inside), daemon=True)
        back.start()
        copy(inside, outside)
        back.join()
    except (OSError, RuntimeError):
        pass
    finally:
        inside.close()
        outside.close()

while True:
    try:
        inside = listener.accept()[0]
        threading.Thread(target=relay, args=(inside,), daemon=True).start()
    except (OSError, RuntimeError):
        time.sleep(0.05)
`;
