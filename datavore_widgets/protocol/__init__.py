"""The words that those who ask and those who answer share: queries, answers, and how both are written."""
