"""Pages and plots that a person looks at: one self-contained HTML file each, light and dark."""
