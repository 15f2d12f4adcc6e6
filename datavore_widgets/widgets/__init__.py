"""What is seen: maps, sliders, pickers, charts. Widgets ask a client and show; they open no data and speak no HTTP."""
