"""From this folder to a stack in an AWS account: settings are kept, and build and deployment have the same ones."""
