"""The screens. The only room that imports Textual; it renders a ``Snapshot`` and never fetches."""
