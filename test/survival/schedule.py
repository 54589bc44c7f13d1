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
# The keeper starts the service again six times, and as often anew when it has lived for ten minutes (copper_keeper.sh).
KILLS_OF_RANKS, REST_S = 4, 660


@dataclasses.dataclass
class Fault:
    at: float   # seconds from the beginning
    name: str
    host: int   # of so many
    also: int   # hosts as bits, of those that die at once
    lasts: float

    def __str__(self):
        return f"{self.at:7.1f} s  {self.name}, host {self.host}" + (f", {self.lasts:.1f} s" if self.lasts else "")


def schedule(seed, seconds, hosts):
    """In order; none begins before the one before is over."""
    rng = random.Random(seed)
    faults = []
    killed, last_kill = 0, 0.0
    at = rng.uniform(*PAUSE_S)
    while at < seconds:
        name, = rng.choices(list(FAULTS), [weight for weight, _ in FAULTS.values()])
        fault = Fault(at, name, rng.randrange(hosts), rng.randrange(1 << hosts), rng.uniform(*FAULTS[name][1]))
        if name == "kill ranks":
            if at - last_kill > REST_S:
                killed = 0
            if killed == KILLS_OF_RANKS:
                fault.name = "kill worker"
            else:
                killed, last_kill = killed + 1, at
        if at + fault.lasts > seconds:
            break
        faults.append(fault)
        at += fault.lasts + rng.uniform(*PAUSE_S)
    return faults
