"""How Django writes dates where nothing says otherwise: the staff's lists."""
