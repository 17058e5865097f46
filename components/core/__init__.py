"""Floor 0: contracts that every other floor stands on. Standard library, pydantic, yaml and cryptography only."""
