"""How a network learns: recipe, augmentation, cascade label guidance, the loop."""
