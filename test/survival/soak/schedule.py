"""What befalls a run, and when: decided by a seed alone."""

import dataclasses
import random

PAUSE_S = (2.0, 8.0)  # between two faults
# How often, against the others, and for how long. Brief: shorter than a neighbour's or front end's patience; long: longer.
BRIEF_S, LONG_S = (0.1, 1.5), (5.0, 8.0)
FAULTS = {
    "kill worker": (5, (0, 0)),
    "kill ranks": (3, (0, 0)),
    "stop worker": (2, (0.1, 3.0)),
    "stop rank briefly": (2, BRIEF_S),
    "stop rank": (1, LONG_S),
    "unplug briefly": (2, BRIEF_S),
    "unplug": (1, LONG_S),
    "storage hangs": (2, (0.5, 4.0)),
    "storage fails": (2, (1.0, 4.0)),
    "clear": (4, (0, 0)),
}
# What may end the service, which the keeper starts again six times, and as often anew when it has lived for ten minutes
# (copper_keeper.sh).
ENDS = ("kill ranks", "stop rank", "unplug")
ENDS_MAX, REST_S = 4, 630


@dataclasses.dataclass
class Fault:
    pause: float  # seconds since the fault before was over
    name: str
    host: int     # of so many
    also: int     # hosts as bits, of those that die at once
    lasts: float

    def __str__(self):
        return f"{self.name}, host {self.host}" + (f", {self.lasts:.1f} s" if self.lasts else "")


def schedule(seed, seconds, hosts):
    """In order; for at least so long."""
    rng = random.Random(seed)
    faults = []
    ends, last_end = 0, 0.0
    at = 0.0
    while at < seconds:
        pause = rng.uniform(*PAUSE_S)
        at += pause
        name, = rng.choices(list(FAULTS), [weight for weight, _ in FAULTS.values()])
        fault = Fault(pause, name, rng.randrange(hosts), rng.randrange(1 << hosts), rng.uniform(*FAULTS[name][1]))
        if name in ENDS:
            if at - last_end > REST_S:
                ends = 0
            if ends == ENDS_MAX:
                fault.name, fault.lasts = "kill worker", 0
            else:
                ends, last_end = ends + 1, at
        faults.append(fault)
        at += fault.lasts
    return faults
