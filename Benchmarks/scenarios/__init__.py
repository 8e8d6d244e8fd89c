"""Every scenario, in the order in which they run."""

from .allocations import Allocations
from .answers import Answers
from .calls import Calls, Http2Calls, Http2TLSCalls, TLSCalls
from .create import Burst, Create
from .fanout import FanOut
from .idle import IdleConnections, IdleSandboxes, IdleStreams
from .instructions import Instructions
from .lists import Lists
from .loops import Loops
from .neighbours import Neighbours
from .results import LargeResults

ALL = [Answers, Calls, TLSCalls, Http2Calls, Http2TLSCalls, Lists, Loops, LargeResults, FanOut, IdleStreams,
       IdleConnections, IdleSandboxes, Create, Burst, Neighbours, Allocations, Instructions]  # fmt: skip
