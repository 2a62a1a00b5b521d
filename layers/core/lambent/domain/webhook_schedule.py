"""When a webhook that was not taken is tried again: for a day, exponential backoff with jitter.

Source: Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015), equal jitter.
"""

from __future__ import annotations

RETRIED_FOR_S = 86_400
FIRST_PAUSE_S = 10
# A receiver that comes back after hours is found within this. SQS hides a message for 12 hours at most.
LONGEST_PAUSE_S = 7_200


def pause_s(attempt: int, *, age_s: float, jitter: float) -> int | None:
    """Return the pause after a failed attempt in whole seconds, None if it was the last.

    Parameters
    ----------
    attempt : int     the attempt that failed, from 1
    age_s : float     seconds since the event; the last attempt is made when it is `RETRIED_FOR_S`
    jitter : float    in [0, 1): which part of the pause's second half is waited
    """
    left_s = RETRIED_FOR_S - age_s
    if left_s <= 0:
        return None
    doublings = min(attempt - 1, 16)  # far beyond the longest pause
    whole_s = min(FIRST_PAUSE_S << doublings, LONGEST_PAUSE_S)
    return max(1, min(round(whole_s * (1 + jitter) / 2), round(left_s)))
