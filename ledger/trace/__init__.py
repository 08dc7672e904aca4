"""Reading runs back: filters, views, attachment to the code history, export."""
