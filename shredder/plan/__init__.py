"""What will be done. Pure: facts about the machine go in, a frozen plan comes out."""
