"""Pages outside any journey: portal choice, help, terms, privacy, accessibility, status, language, theme."""
