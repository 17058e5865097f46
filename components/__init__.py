"""Everything that runs inside a container, floor by floor, and its Kubeflow face."""
