"""What people and CI open: report.json, HTML pages, predictions bag, video, comparison, gates."""
