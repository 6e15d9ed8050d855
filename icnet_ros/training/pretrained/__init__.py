"""Start from an ImageNet ResNet-50."""
