"""Questions before people: out to Label Studio and back, a gallery, and what verdicts change."""
