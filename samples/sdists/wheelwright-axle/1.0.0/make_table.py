"""Run by the build: writes wheelwright_axle/_table.py with the help of wheelwright-hub."""

import os

from wheelwright_hub import turns


def generate(build_dir):
    table = {size: round(turns(1000, size / 100), 2) for size in range(30, 80, 5)}
    with open(os.path.join(build_dir, "wheelwright_axle", "_table.py"), "w") as file:
        file.write("# Diameter in centimetres: turns.\nTURNS_PER_KILOMETRE = {!r}\n".format(table))
