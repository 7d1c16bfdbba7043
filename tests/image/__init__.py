"""Real guests under QEMU: the image boots, wipes and delivers, and the host reads the disks afterwards."""
