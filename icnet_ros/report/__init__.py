"""Reports of a replay: report.json, HTML pages, predictions bag, video, comparison, gates."""
