"""The container images: their locked dependencies, their build, their bill of materials, their rules.

A folder with a Dockerfile is a role. It has the name of an extra in ``pyproject.toml``, and of the image.
"""
