"""Jobs as processes: started once, found again, watched and stopped."""
