"""Sign-in with Microsoft Entra: django-allauth carries the exchange, what the id token says is verified here."""
