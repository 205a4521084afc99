// Recording, submitting and waiting.
#include "functions.h"

#include <stdlib.h>

struct cv_commands {
    cv_device *device;
    VkCommandPool pool;
    VkSemaphore timeline;
    int count;
    VkCommandBuffer buffers[];
};

int cv_commands_create(cv_device *device, int count, cv_commands **out) {
    *out = NULL;
    cv_commands *self = calloc(1, sizeof *self + (size_t)count * sizeof *self->buffers);
    if (!self) return CV_OUT_OF_HOST_MEMORY;
    self->device = device;
    self->count = count;
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = device->family};
    VkResult result = device->CreateCommandPool(device->handle, &pool, NULL, &self->pool);
    if (result == VK_SUCCESS) {
        const VkCommandBufferAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = self->pool,
            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY, .commandBufferCount = (uint32_t)count};
        result = device->AllocateCommandBuffers(device->handle, &info, self->buffers);
    }
    if (result == VK_SUCCESS) {
        const VkSemaphoreTypeCreateInfo type = {
            .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO, .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
        const VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
        result = device->CreateSemaphore(device->handle, &info, NULL, &self->timeline);
    }
    if (result == VK_SUCCESS) *out = self;
    else cv_commands_destroy(self);
    return result;
}

void cv_commands_destroy(cv_commands *self) {
    cv_device *device = self->device;
    if (self->timeline) device->DestroySemaphore(device->handle, self->timeline, NULL);
    if (self->pool) device->DestroyCommandPool(device->handle, self->pool, NULL);
    free(self);
}

int cv_begin(cv_commands *self, int buffer, int is_repeated) {
    const VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = is_repeated ? VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT : 0};
    return self->device->BeginCommandBuffer(self->buffers[buffer], &info);
}

int cv_end(cv_commands *self, int buffer) { return self->device->EndCommandBuffer(self->buffers[buffer]); }

void cv_dispatch(
    cv_commands *self, int buffer, uint64_t pipeline, const void *push, uint32_t push_bytes, uint32_t x, uint32_t y, uint32_t z
) {
    const cv_device *d = self->device;
    VkCommandBuffer commands = self->buffers[buffer];
    d->CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, (VkPipeline)pipeline);
    d->CmdPushConstants(commands, d->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, push_bytes, push);
    d->CmdDispatch(commands, x, y, z);
}

void cv_copy(cv_commands *self, int buffer, uint64_t from, uint64_t from_offset, uint64_t to, uint64_t to_offset, uint64_t bytes) {
    const VkBufferCopy region = {from_offset, to_offset, bytes};
    self->device->CmdCopyBuffer(self->buffers[buffer], (VkBuffer)from, (VkBuffer)to, 1, &region);
}

void cv_fill(cv_commands *self, int buffer, uint64_t target, uint64_t offset, uint64_t bytes, uint32_t value) {
    self->device->CmdFillBuffer(self->buffers[buffer], (VkBuffer)target, offset, bytes, value);
}

static void barrier(
    cv_commands *self, int buffer, VkPipelineStageFlags to, VkAccessFlags access
) {
    const VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = access};
    self->device->CmdPipelineBarrier(
        self->buffers[buffer], VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT, to, 0, 1, &memory, 0, NULL, 0,
        NULL);
}

void cv_barrier(cv_commands *self, int buffer) {
    barrier(
        self, buffer, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
        VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT);
}

void cv_barrier_to_host(cv_commands *self, int buffer) {
    barrier(self, buffer, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
}

int cv_submit(cv_commands *self, int first, int count, uint64_t value) {
    cv_device *d = self->device;
    const VkTimelineSemaphoreSubmitInfo timeline = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO, .signalSemaphoreValueCount = 1, .pSignalSemaphoreValues = &value};
    const VkSubmitInfo submission = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .pNext = &timeline, .commandBufferCount = (uint32_t)count,
        .pCommandBuffers = self->buffers + first, .signalSemaphoreCount = 1, .pSignalSemaphores = &self->timeline};
    pthread_mutex_lock(&d->mutex);
    const VkResult result = d->QueueSubmit(d->queue, 1, &submission, VK_NULL_HANDLE);
    pthread_mutex_unlock(&d->mutex);
    return result;
}

int cv_wait(cv_commands *self, uint64_t value) {
    const VkSemaphoreWaitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO, .semaphoreCount = 1, .pSemaphores = &self->timeline, .pValues = &value};
    return self->device->WaitSemaphores(self->device->handle, &info, UINT64_MAX);
}
