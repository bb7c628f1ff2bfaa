/* SPDX-License-Identifier: MIT */
/* dmatest_iommu.h: the half of /dev/dmatest that has page tables of its own. */
#pragma once
#include <kernel/types.h>

struct dmatest_iommu;

struct dmatest_iommu *dmatest_iommu_new(void); /* of one open file; NULL */
void dmatest_iommu_free(struct dmatest_iommu *io);
long dmatest_iommu_ioctl(struct dmatest_iommu *io, unsigned int cmd, void *uarg);
