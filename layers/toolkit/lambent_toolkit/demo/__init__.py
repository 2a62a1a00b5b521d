"""The main job from training to all three doors, with every claim checked: `lambent demo`."""
