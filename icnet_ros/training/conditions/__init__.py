"""Conditions that are drawn into training crops: night, weather, cheap cameras, covered lenses."""
