print("enlarge")
