"""Dead letters of a stack, for its operator: see them, send them back, drop them."""

from lambent_toolkit.dead_letters.desk import DeadLetterDesk, Found, QueueCount, Wanted
from lambent_toolkit.dead_letters.errors import DeadLetterError
from lambent_toolkit.dead_letters.moving import Moved

__all__ = ["DeadLetterDesk", "DeadLetterError", "Found", "Moved", "QueueCount", "Wanted"]
