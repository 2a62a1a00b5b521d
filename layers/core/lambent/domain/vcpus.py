"""How much processor a Lambda function of some memory has."""

from __future__ import annotations

# docs.aws.amazon.com, "Configure Lambda function memory": at 1,769 MB a function has the equivalent of one vCPU.
VCPU_MEMORY_MIB = 1769


def whole_vcpus(memory_mib: int) -> int:
    """Return the number of whole vCPUs, at least one."""
    return max(1, memory_mib // VCPU_MEMORY_MIB)


def first_vcpu(memory_mib: int) -> float:
    """Return the share of its first vCPU, which one thread can use: at most 1."""
    return min(1.0, memory_mib / VCPU_MEMORY_MIB)
