"""How fast the stacks of these tests go."""

# A visibility timeout of six minutes is a second here, so that a message on its way to a dead-letter queue takes five.
RETRY_SCALE = 1 / 360
# Tests may be in a hurry; that the plan's limits work is a test of the machinery's stack.
UNHURRIED = {
    "RequestsPerSecond": "10000",
    "RequestBurst": "5000",
    "StageRequestsPerSecond": "10000",
    "StageRequestBurst": "5000",
}
