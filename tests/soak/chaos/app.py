"""The handler as it is shipped, with faults around it."""

from app_as_shipped import handler as shipped
from chaos import start

handler = start(shipped)
