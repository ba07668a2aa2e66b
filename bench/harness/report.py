def write(folder, run):
    return folder
