def draw(study):
    pass
