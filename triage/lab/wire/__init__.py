"""Numbers and times in the spelling of the real servers, wherever they stand: in samples, labels, alerts, templates."""
